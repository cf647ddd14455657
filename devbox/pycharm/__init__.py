"""IDE settings: model, render, merge, write."""
