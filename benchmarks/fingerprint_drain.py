"""Drain3 over the lines of a file, run by `fingerprint.py` in an environment of its own: seconds it took, as JSON."""

import json
import sys
import time
from pathlib import Path

from drain3 import TemplateMiner
from drain3.masking import MaskingInstruction
from drain3.template_miner_config import TemplateMinerConfig

#: The masks of Drain3's own examples.
MASKS = (
    (r"((?<=[^A-Za-z0-9])|^)(\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3})((?=[^A-Za-z0-9])|$)", "IP"),
    (r"((?<=[^A-Za-z0-9])|^)(0x[a-f0-9A-F]+)((?=[^A-Za-z0-9])|$)", "HEX"),
    (r"((?<=[^A-Za-z0-9])|^)([\-\+]?\d+)((?=[^A-Za-z0-9])|$)", "NUM"),
)


def main() -> None:
    """Mine a warm-up of a tenth of the lines, then time the rest."""
    config = TemplateMinerConfig()
    config.drain_sim_th = 0.4
    config.drain_depth = 4
    config.masking_instructions = [MaskingInstruction(pattern, name) for pattern, name in MASKS]
    miner = TemplateMiner(config=config)
    lines = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    warm_up = len(lines) // 10
    for line in lines[:warm_up]:
        miner.add_log_message(line)
    start = time.perf_counter()
    for line in lines[warm_up:]:
        miner.add_log_message(line)
    print(json.dumps({"seconds": time.perf_counter() - start, "lines": len(lines) - warm_up}))


main()
