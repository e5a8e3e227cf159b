"""Labels pictures: finds faces and eyes, asks a person, saves at once; a window or a page."""
