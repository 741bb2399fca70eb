"""Pixels of images of any size, read where one looks: a `Source` for each kind of file."""
