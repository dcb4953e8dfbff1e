"""Text: where it comes from (the catalogue, files), and how it is split."""
