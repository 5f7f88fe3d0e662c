"""Cells that every family uses: what stands in the kerf, alignment marks, labels."""
