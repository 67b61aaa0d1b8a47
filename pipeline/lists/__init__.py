"""What apps read, before it is published: every user's list, popular, similar and also-bought items."""
