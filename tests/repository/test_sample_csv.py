#!/usr/bin/env python3
"""tools/sample-csv draws the same rows everywhere, and the bundled log is what it says."""

import gzip
import hashlib
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LOG = ROOT / "examples/maestro_logs/maestro_resnet50_4000.csv.gz"
WHOLE = ROOT / "../shared/data/maestro/maestro_resnet50.csv.gz"


def sample(rows, seed, source, target):
    command = [sys.executable, str(ROOT / "tools/sample-csv"), "--rows", str(rows), "--seed", str(seed)]
    return subprocess.run([*command, str(source), str(target)], capture_output=True, text=True)


class SampleCsv(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.source = self.folder / "numbers.csv"
        self.source.write_text("n,square\n" + "".join(f"{n},{n * n}\n" for n in range(1, 11)))

    def draw(self, rows, seed, name="out.csv"):
        result = sample(rows, seed, self.source, self.folder / name)
        self.assertEqual(result.returncode, 0, result.stderr)
        return (self.folder / name).read_bytes()

    def test_rows_come_in_the_order_of_their_hashes(self):
        order = sorted(range(1, 11), key=lambda row: hashlib.sha256(f"7:{row}".encode()).digest())
        expected = "n,square\n" + "".join(f"{n},{n * n}\n" for n in order[:4])
        self.assertEqual(self.draw(4, 7).decode(), expected)

    def test_every_row_once(self):
        lines = self.draw(10, 1).decode().splitlines()
        self.assertEqual(lines[0], "n,square")
        self.assertCountEqual(lines[1:], [f"{n},{n * n}" for n in range(1, 11)])

    def test_compressed_files_hold_neither_time_nor_name(self):
        first = self.draw(5, 3, "first.csv.gz")
        self.assertEqual(first, self.draw(5, 3, "second.csv.gz"))
        self.assertEqual(first[4:8], b"\0\0\0\0")
        self.assertEqual(gzip.decompress(first), self.draw(5, 3))

    def test_refuses_to_draw_more_rows_than_there_are(self):
        result = sample(11, 1, self.source, self.folder / "out.csv")
        self.assertNotEqual(result.returncode, 0)
        self.assertIn("has 10 rows, fewer than the 11 to draw", result.stderr)
        self.assertFalse((self.folder / "out.csv").exists())

    def test_the_bundled_log_is_what_its_provenance_says(self):
        content = gzip.decompress(LOG.read_bytes())
        rows = content.decode().splitlines()[1:]
        feasible = [row for row in rows if row.split(",")[9] == "1"]
        self.assertEqual((len(rows), len(feasible)), (4000, 1260))
        digest = hashlib.sha256(content).hexdigest()
        self.assertIn(digest, (LOG.parent / "PROVENANCE.md").read_text())

    def test_the_bundled_log_can_be_drawn_again(self):
        if not WHOLE.exists():
            self.skipTest(f"{WHOLE} is not here")
        sample(4000, 1, WHOLE, self.folder / "log.csv")
        self.assertEqual((self.folder / "log.csv").read_bytes(), gzip.decompress(LOG.read_bytes()))


if __name__ == "__main__":
    unittest.main()
