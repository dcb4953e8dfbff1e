"""Standard tasks over local rows: multiple choice, likelihoods of endings and of whole texts, and answers that are generated."""
