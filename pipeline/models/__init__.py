"""The models that are judged: ALS and the rules it has to beat. One protocol: fit, top_n."""
