"""What happens when the image moves, and where its border is felt: equivariance and borders, measured."""
