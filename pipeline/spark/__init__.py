"""The heavy work of a night on Apache Spark: set work, ALS, and the lists of users."""
