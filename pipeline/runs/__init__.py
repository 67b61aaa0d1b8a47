"""The run folder: checked reads, atomic writes, receipts; importing this package loads nothing."""
