"""What a run did, as one offline page, and what its model is, as a card: both read from the run's files alone."""
