"""The app image: ignore rules, build context, builders, build events."""
