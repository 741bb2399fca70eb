"""Data: dataset names to TFRecords to batches (appendix 2.2)."""
