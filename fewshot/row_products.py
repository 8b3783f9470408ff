"""Matrix products whose rows have the same bits, whatever the number of rows."""

from __future__ import annotations

# Rows from which a product gives each row the same bits (measured with MKL, one thread).
SMALLEST_PRODUCT = 16


def n_copies(n_rows: int) -> int:
    """Return how often rows must be repeated for their bits not to depend on their number.

    Parameters
    ----------
    n_rows : int
        At least 1.

    Returns
    -------
    int

    Examples
    --------
    >>> n_copies(5), n_copies(200)
    (4, 1)
    """
    return -(-SMALLEST_PRODUCT // n_rows)
