"""What part of a long list is wanted: the store's own question, for the faces."""

from store import Query

__all__ = ["Query"]
