"""The models that are judged: ALS, EASE, NCF and the rules they have to beat. One protocol: fit, top_n."""
