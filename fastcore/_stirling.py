"""What Stirling's formula leaves of the logarithm of a factorial, for small numbers."""

# log (n - 1)! - ((n - 1/2) log n - n + log(2 pi) / 2) for n = 1, 2, ...; from 10 on the series will do.
TAILS = (
    0.08106146679532726,
    0.0413406959554093,
    0.02767792568499834,
    0.020790672103765093,
    0.016644691189821193,
    0.013876128823070748,
    0.01189670994589177,
    0.010411265261972096,
    0.009255462182712733,
)
