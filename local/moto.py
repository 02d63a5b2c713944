"""Kinesis and S3: the moto server. Run as a module it is that server, without a log line for every request."""

import argparse
import logging
import sys
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from local.http import answers
from local.part import SingleProcessPart
from local.ports import HOST, free_port
from local.process import PartError

REGION = "ap-northeast-2"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "cali-local", "AWS_SECRET_ACCESS_KEY": "cali-local"}
STREAM = "cali-logs"
SHARDS = 2
BUCKETS = ("cali-archive", "cali-dlq", "cali-checkpoints")


class Moto(SingleProcessPart):
    """One moto server with the stream and the buckets that the job expects."""

    name = "moto"

    def __init__(self, directory: Path, port: int | None = None) -> None:
        """Make the part on `port`, or a free one."""
        super().__init__(directory)
        self.port = port or free_port()

    @property
    def endpoint(self) -> str:
        """Endpoint of Kinesis and S3."""
        return f"http://{HOST}:{self.port}"

    def client(self, service: str) -> Any:
        """Return a boto3 client, e.g. of `kinesis` or `s3`."""
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
            config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 5}),
        )

    def command(self) -> list[str]:
        """Return this module as a command."""
        return [sys.executable, "-m", "local.moto", "--port", str(self.port)]

    def is_healthy(self) -> bool:
        """Say whether moto's own API answers."""
        return answers(f"{self.endpoint}/moto-api/data.json")

    def finish(self) -> None:
        """Create stream and buckets."""
        kinesis, s3 = self.client("kinesis"), self.client("s3")
        kinesis.create_stream(StreamName=STREAM, ShardCount=SHARDS)
        for bucket in BUCKETS:
            s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
        kinesis.get_waiter("stream_exists").wait(StreamName=STREAM)

    def heal(self) -> None:
        """Do nothing if the server runs.

        Raises:
            PartError: it has ended, and with it stream and buckets.
        """
        if not self.is_running:
            raise PartError(f"{self.name} has ended, and with it all records; see {self.log}")

    def addresses(self) -> dict[str, str]:
        """Return the endpoint."""
        return {"Kinesis and S3": self.endpoint}

    def environment(self) -> dict[str, str]:
        """Return endpoint, region, credentials and names."""
        archive, dead_letters, _ = BUCKETS
        return {
            **CREDENTIALS,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL": self.endpoint,  # even a client that forgets the setting stays on this machine
            "AWS_EC2_METADATA_DISABLED": "true",
            "CALI_AWS__ENDPOINT": self.endpoint,
            "CALI_AWS__REGION": REGION,
            "CALI_SOURCE__KIND": "kinesis",
            "CALI_SOURCE__KINESIS__STREAM": STREAM,
            # Stack and stream are new: what was sent before the job was up counts.
            "CALI_SOURCE__KINESIS__INITIAL_POSITION": "TRIM_HORIZON",
            "CALI_STORE__ARCHIVE": f"s3://{archive}/logs",
            "CALI_STORE__RECEIPTS": f"s3://{archive}/receipts",
            "CALI_STORE__MARKERS": f"s3://{archive}/markers",
            "CALI_STORE__DEAD_LETTERS": f"s3://{dead_letters}/dlq",
            "CALI_STORE__INDEX_BACKLOG": f"s3://{archive}/index-backlog",
        }


def main() -> None:
    """Run the moto server on the port of the arguments."""
    from moto.server import main as serve  # noqa: PLC0415 - takes seconds; only the server's process needs it

    parser = argparse.ArgumentParser(prog="local.moto")
    parser.add_argument("--port", required=True)
    arguments = parser.parse_args()
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    serve(["--host", HOST, "--port", arguments.port])


if __name__ == "__main__":
    main()
