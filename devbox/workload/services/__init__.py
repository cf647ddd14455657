"""What the shop does. Nothing here knows how it is called, where the others are, or that it is watched."""
