"""Places of JSON documents, for tests that change one thing in a good document."""


def paths(value, here=()):
    """Every place of the document: ("rules", 0, "id")."""
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield (*here, key)
        yield from paths(child, (*here, key))


def parent_of(document, path):
    for key in path[:-1]:
        document = document[key]
    return document
