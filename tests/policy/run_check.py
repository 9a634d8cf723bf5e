"""`policy check FILE --network FILE --json` without the program around it, for the corpus's judge."""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))


def main(policy: str, network: str) -> int:
    from policy.described import check_described

    answer = check_described(Path(policy).read_text(), json.loads(Path(network).read_text()))
    print(json.dumps(answer))
    return 0 if answer["accepted"] else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[3]))
