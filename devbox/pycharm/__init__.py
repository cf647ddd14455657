"""PyCharm's settings for a project: model -> render -> merge -> write or archive.

Nothing here overwrites a file of the user: `merge` adds and replaces single elements, and remembers which.
"""
