"""What is measured, and beside whom. A package of its own, since Opacus installs one of the same name, which would come first."""
