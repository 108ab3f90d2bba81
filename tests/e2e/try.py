import sys, tempfile, time, pathlib
from e2e import whole
with tempfile.TemporaryDirectory() as f:
    r=whole.run(pathlib.Path(f))
for p in r.promises: print("kept  " if p.is_kept else "BROKEN", p.name, "|", p.expected, "|", p.seen)
print(r.seconds, r.requests)
