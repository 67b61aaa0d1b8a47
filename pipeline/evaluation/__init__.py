"""Offline evaluation: metrics of top-N lists, and every model measured on held-out purchases."""
