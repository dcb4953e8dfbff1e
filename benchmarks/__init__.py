<<<<<<< HEAD
"""What is measured, and beside whom. A package of its own, since Opacus installs one of the same name, which would come first."""
=======
"""Measurements that anyone can repeat. A package, so that Opacus, which installs one of this name, does not stand in its place."""
>>>>>>> main
