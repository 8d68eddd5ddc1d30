"""How all memory is divided: what control and the partitions must both count the same way."""

MIB = 1 << 20


def reserve_mb(total_mb: int) -> int:
    """MB of all memory that nobody is given for himself."""
    return total_mb // 10


def allocatable_mb(total_mb: int) -> int:
    """MB that quotas may come to.

    Examples
    --------
    >>> reserve_mb(2048), allocatable_mb(2048)
    (204, 1844)
    """
    return total_mb - reserve_mb(total_mb)


def reserve_stock(reserve: int, partitions: int) -> int:
    """Bytes of the reserve that each partition has at hand."""
    return reserve // (4 * partitions)
