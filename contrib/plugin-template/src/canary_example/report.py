"""`canary report csv`: a line for each job."""

import csv
from pathlib import Path

import canary


class CsvReporter(canary.Reporter):
    name = "csv"
    help = "a table of the jobs, comma separated"

    def arguments(self, parser):
        parser.add_argument("-o", dest="file", default="canary.csv", help="default: canary.csv")

    def report(self, results, options):
        file = Path(options["file"])
        with file.open("w", newline="", encoding="utf-8", errors="backslashreplace") as f:
            rows = csv.writer(f)
            rows.writerow(["name", "category", "outcome", "reason", "seconds"])
            for job in results.jobs():
                status = job["status"]
                seconds = job["timings"].get("running", "")
                reason = status["reason"].replace("\0", "")
                rows.writerow(
                    [job["fullname"], status["category"], status["outcome"], reason, seconds]
                )
        return [file]
