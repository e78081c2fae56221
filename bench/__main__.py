"""`python -m bench`: measures, and prints one table with every mark."""

import argparse
import sys
from collections.abc import Sequence

from bench.bench import bench
from bench.processes import MeasurementError
from bench.report import Result, as_json, table
from bench.rows import ROWS, Row
from bench.subjects import GATEWAY_COMMAND


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0 when everything asked for was measured, whatever the numbers; 1 when something could not be."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measures the gateway beside others.")
    parser.add_argument("--list", action="store_true", help="list the rows and end")
    parser.add_argument("--only", metavar="ROW[,ROW]", help="measure these rows")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds: a look, not a measurement")
    parser.add_argument(
        "-o", "--output", choices=("table", "json"), default="table", help="what goes to standard output"
    )
    parser.add_argument(
        "--gateway",
        metavar="COMMAND",
        default=GATEWAY_COMMAND,
        help="measure another command line in the gateway's place; default: %(default)s; {upstream} is known too",
    )
    options = parser.parse_args(arguments)
    if options.list:
        for row in ROWS:
            print(f"{row.name:16}{row.about}")
        return 0
    rows: Sequence[Row] = ROWS
    if options.only:
        names = options.only.split(",")
        if unknown := set(names) - {row.name for row in ROWS}:
            parser.error(f"there is no row {', '.join(sorted(unknown))}; --list shows them")
        rows = tuple(row for row in ROWS if row.name in names)
    results: list[Result] = []
    try:
        with bench(quick=options.quick, gateway_command=options.gateway) as run:
            for row in rows:
                run.begin(row.name)
                try:
                    results += row.measure(run)
                except MeasurementError as error:
                    results.append(Result(row=row.name, work=row.name, ours="", mark="?", notes=(str(error),)))
    except MeasurementError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    print(as_json(results) if options.output == "json" else table(results))
    return 1 if any(result.mark and result.met is None for result in results) else 0


if __name__ == "__main__":
    sys.exit(main())
