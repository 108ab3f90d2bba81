# SPDX-License-Identifier: Apache-2.0
"""The load of `bench_cap.py` on LiteLLM's BudgetManager, as its documentation uses it.

Run by an interpreter that has `litellm`, never by ours: `make bench-cap PEER=…/bin/python`. Prints
what the provider charged and what the manager counted, in nano-dollars."""

from __future__ import annotations

import json
import os
import random
import sys
import tempfile
import threading
import time
from importlib.metadata import version

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # prices as shipped: nothing is downloaded

import litellm

CAP, MOST_TOKENS = 5.0, 4_000
NANOS_A_TOKEN = 10_000  # gpt-4o: 10 USD for a million tokens of output


def answer(tokens: int) -> litellm.ModelResponse:
    """What a provider answers, for the manager to price."""
    usage = litellm.Usage(prompt_tokens=0, completion_tokens=tokens, total_tokens=tokens)
    return litellm.ModelResponse(model="gpt-4o", usage=usage)


def main() -> None:
    """So many callers in one process, each until the manager says that the budget is used up."""
    callers, seconds, seed = int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
    os.chdir(tempfile.mkdtemp())
    manager = litellm.BudgetManager(project_name="bench")
    manager.create_budget(total_budget=CAP, user="bench")
    charged: list[int] = []
    gate, ends = threading.Barrier(callers), time.monotonic() + seconds

    def run(number: int) -> None:
        chance = random.Random(f"{seed}/{number}")
        gate.wait()
        while time.monotonic() < ends:
            if manager.get_current_cost("bench") > manager.get_total_budget("bench"):
                return
            tokens = chance.randint(0, chance.randint(1, MOST_TOKENS))
            time.sleep(chance.random() / 50)
            charged.append(NANOS_A_TOKEN * tokens)
            manager.update_cost("bench", completion_obj=answer(tokens))

    threads = [threading.Thread(target=run, args=(number,)) for number in range(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counted = round(manager.get_current_cost("bench") * 1_000_000_000)
    found = {"charged": sum(charged), "counted": counted, "version": version("litellm")}
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
