"""What has to hold of each exercise, from the plainest to the subtlest, and a hint for each mistake that is often made."""
