"""How good a list is: metrics, and every model judged on purchases that it never saw."""
