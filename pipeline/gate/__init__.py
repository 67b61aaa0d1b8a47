"""Whether tonight's lists may go live."""
