"""What a model has learned by heart: extraction, exposure of canaries, membership, personal data."""
