"""python-crfsuite's ``ItemSequence``."""

from ... import crf


class ItemSequence(crf.ItemSequence):
    """Drop-in for ``pycrfsuite.ItemSequence``: the items of a sequence, read once.

    Parameters
    ----------
    pyseq : list of items
        Mappings, or iterables of names, as `fastcore.crf.CRF` takes them.

    Examples
    --------
    >>> from fastcore.compat.pycrfsuite import ItemSequence
    >>> ItemSequence([["foo"], {"bar": {"baz": 1}}]).items()
    [{'foo': 1.0}, {'bar:baz': 1.0}]
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<ItemSequence of size {len(self)}>"
