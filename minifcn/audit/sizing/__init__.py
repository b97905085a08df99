"""Which sizes a network takes, and how an image of another size is made to fit."""
