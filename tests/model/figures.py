"""What each scope comes to: verdict, states, actions, depth; what the big ones cost.

The figures change with the rules of the core, with the scopes and with the search: then look why, and read
them again (``python -m tests.model --all-fast``; a big scope by its name).
"""

from __future__ import annotations

Figures = tuple[str, int, int, int]

PINNED: dict[str, Figures] = {
    "fast-failover": ("exhausted", 6_329, 21_490, 17),
    "fast-stale-read": ("exhausted", 7_950, 30_085, 17),
    "fast-backup": ("exhausted", 1_486, 4_947, 17),
    "fast-suspicion": ("exhausted", 9_613, 25_734, 15),
    "fast-repeat": ("exhausted", 1_417, 4_362, 17),
    "fast-key-reused": ("exhausted", 831, 1_829, 14),
    "fast-close": ("exhausted", 2_219, 4_765, 18),
    "fast-snapshot": ("exhausted", 10_657, 35_273, 31),
    "fast-trimmed": ("exhausted", 892, 2_380, 23),
    "fast-join": ("bounded", 12_973, 26_326, 17),
    "fast-restart": ("exhausted", 2_145, 3_219, 23),
    "fast-restart-timer": ("exhausted", 4_440, 7_735, 22),
    "fast-close-restart": ("exhausted", 8_129, 15_113, 24),
    "fast-told-again": ("bounded", 9_643, 24_022, 16),
    "fast-two-restarts-primary": ("bounded", 23_326, 44_291, 18),
    "fast-two-restarts-backup": ("bounded", 23_609, 44_680, 17),
    "fast-start": ("exhausted", 11_066, 14_347, 31),
    "fast-numbered": ("exhausted", 18_102, 41_504, 27),
    "fast-numbered-restart": ("exhausted", 14_025, 19_790, 27),
    "fast-interrupted": ("exhausted", 11_790, 22_707, 28),
    "fast-verdict": ("exhausted", 3_389, 9_698, 20),
    "fast-three": ("exhausted", 5_768, 37_835, 21),
    "fast-three-reads": ("bounded", 17_573, 62_478, 11),
    "fast-three-join": ("exhausted", 4_547, 11_476, 30),
    "fast-three-tail": ("exhausted", 2_800, 11_310, 25),
    "fast-three-restart": ("exhausted", 12_112, 29_025, 27),
    "fast-three-timer": ("exhausted", 5_132, 17_728, 14),
    "fast-lease": ("exhausted", 9_017, 37_408, 15),
    "fast-lease-backup": ("exhausted", 5_204, 19_880, 13),
    "fast-lease-handover": ("bounded", 4_526, 11_059, 11),
    "big-restart": ("exhausted", 69_768, 113_216, 31),
    "big-restart-timer": ("bounded", 500_230, 1_475_507, 15),
    "big-told-again": ("exhausted", 157_452, 306_577, 36),
    "big-two-restarts-primary": ("exhausted", 158_719, 414_714, 37),
    "big-numbered": ("exhausted", 371_503, 896_736, 31),
    "big-numbered-restart": ("bounded", 196_545, 349_980, 15),
    "big-three": ("exhausted", 124_709, 787_099, 27),
    "big-three-restart": ("exhausted", 392_806, 1_113_622, 34),
    "big-three-timer": ("bounded", 257_111, 761_230, 12),
    "big-leftover": ("bounded", 1_097_358, 4_221_868, 19),
    "big-full": ("bounded", 1_983_377, 6_144_201, 13),
    "big-lease": ("exhausted", 262_937, 1_302_772, 19),
    "big-lease-handover": ("exhausted", 751_481, 4_329_574, 36),
    "big-lease-restart": ("bounded", 1_479_297, 10_883_475, 15),
}

COST = {
    "big-restart": "7 s",
    "big-restart-timer": "39 s",
    "big-told-again": "17 s",
    "big-two-restarts-primary": "26 s",
    "big-numbered": "21 s",
    "big-numbered-restart": "21 s",
    "big-three": "13 s",
    "big-three-restart": "47 s",
    "big-three-timer": "73 s, 0.5 GiB",
    "big-leftover": "89 s",
    "big-full": "193 s, 1.5 GiB",
    "big-lease": "19 s",
    "big-lease-handover": "53 s",
    "big-lease-restart": "121 s, 0.8 GiB",
}
"""CPU time of the big scopes, Python 3.11 on a busy 2-core machine; memory where it is much."""
