"""What people read: a network set up and watched, told as a report."""
