"""What each scope comes to: verdict, states, actions, depth; what the big ones cost.

The figures change with the rules of the core, with the scopes and with the search: then look why, and read
them again (``python -m tests.model --all-fast``; a big scope by its name).
"""

from __future__ import annotations

Figures = tuple[str, int, int, int]

PINNED: dict[str, Figures] = {
    "fast-failover": ("exhausted", 5_299, 18_534, 16),
    "fast-stale-read": ("exhausted", 6_650, 26_027, 16),
    "fast-backup": ("exhausted", 1_319, 4_324, 16),
    "fast-suspicion": ("exhausted", 9_613, 25_734, 15),
    "fast-repeat": ("exhausted", 1_207, 3_777, 16),
    "fast-key-reused": ("exhausted", 649, 1_530, 13),
    "fast-full": ("exhausted", 2_238, 4_550, 16),
    "fast-close": ("exhausted", 2_219, 4_765, 18),
    "fast-snapshot": ("exhausted", 15_281, 47_937, 35),
    "fast-trimmed": ("exhausted", 14_612, 34_691, 28),
    "fast-join": ("bounded", 12_355, 32_044, 17),
    "fast-fill": ("exhausted", 8_757, 18_885, 26),
    "fast-fill-restart": ("bounded", 6_978, 16_604, 16),
    "fast-seek": ("bounded", 9_575, 31_134, 13),
    "fast-seek-nobody": ("exhausted", 757, 1_257, 20),
    "fast-restart": ("exhausted", 1_868, 2_881, 23),
    "fast-restart-timer": ("exhausted", 4_245, 7_322, 22),
    "fast-close-restart": ("exhausted", 3_282, 6_869, 20),
    "fast-told-again": ("bounded", 7_190, 18_770, 18),
    "fast-two-restarts": ("exhausted", 7_255, 11_083, 27),
    "fast-start": ("exhausted", 11_611, 15_442, 32),
    "fast-numbered": ("bounded", 19_975, 66_409, 17),
    "fast-numbered-restart": ("exhausted", 17_676, 26_375, 30),
    "fast-interrupted": ("bounded", 20_501, 64_002, 20),
    "fast-numbered-again": ("exhausted", 678, 878, 18),
    "fast-verdict": ("exhausted", 3_389, 9_698, 20),
    "fast-three": ("exhausted", 4_322, 28_300, 19),
    "fast-three-reads": ("bounded", 8_579, 23_752, 11),
    "fast-three-join": ("exhausted", 11_109, 32_645, 34),
    "fast-three-tail": ("exhausted", 1_965, 8_391, 24),
    "fast-three-restart": ("exhausted", 9_184, 21_042, 29),
    "fast-three-timer": ("exhausted", 5_132, 17_728, 14),
    "fast-lease": ("exhausted", 6_288, 28_548, 15),
    "fast-lease-backup": ("exhausted", 3_660, 14_811, 12),
    "fast-lease-handover": ("bounded", 24_285, 95_373, 13),
    "big-restart": ("exhausted", 69_552, 113_153, 31),
    "big-restart-timer": ("bounded", 852_368, 2_496_352, 17),
    "big-told-again": ("exhausted", 107_893, 280_802, 40),
    "big-numbered": ("exhausted", 1_190_202, 4_099_029, 41),
    "big-numbered-restart": ("bounded", 507_013, 941_780, 18),
    "big-three": ("exhausted", 75_584, 551_000, 25),
    "big-three-restart": ("exhausted", 391_331, 1_107_749, 34),
    "big-three-timer": ("bounded", 257_111, 761_230, 12),
    "big-leftover": ("bounded", 818_298, 3_102_319, 19),
    "big-full": ("bounded", 601_413, 2_094_865, 11),
    "big-lease": ("exhausted", 166_030, 895_101, 18),
    "big-lease-handover": ("bounded", 639_892, 2_765_491, 27),
    "big-lease-restart": ("bounded", 789_526, 3_642_969, 15),
}

COST: dict[str, str] = {
    "big-restart": "6 s",
    "big-restart-timer": "56 s, 0.5 GiB",
    "big-told-again": "10 s",
    "big-numbered": "76 s, 0.5 GiB",
    "big-numbered-restart": "47 s, 0.5 GiB",
    "big-three": "4 s",
    "big-three-restart": "32 s",
    "big-three-timer": "38 s, 0.5 GiB",
    "big-leftover": "39 s",
    "big-full": "45 s, 0.5 GiB",
    "big-lease": "12 s",
    "big-lease-handover": "25 s",
    "big-lease-restart": "34 s",
}
"""CPU time of the big scopes, Python 3.11 on a 2-core machine; memory where it is much."""
