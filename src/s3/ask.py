"""Asks a store that speaks S3 whether a bucket is there and the keys are good for what Synapse does with
it: list, read, write. What to ask comes as JSON on stdin; nothing is left in the bucket."""

import json
import sys

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError


def main():
    asked = json.load(sys.stdin)
    bucket, prefix = asked["bucket"], asked["prefix"]
    # As the provider has it: not every store knows the newer checksums.
    config = Config(
        connect_timeout=5,
        read_timeout=10,
        retries={"total_max_attempts": 1},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    client = boto3.client(
        "s3",
        endpoint_url=asked["endpoint"],
        region_name=asked["region"],
        aws_access_key_id=asked["access_key"],
        aws_secret_access_key=asked["secret_key"],
        config=config,
    )
    answer = {"doing": "list"}
    try:
        client.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=1)
        answer["doing"] = "write"
        # Asks for the same right as an upload, and is none before it is completed.
        key = f"{prefix}resource-matrix-synapse"
        upload = client.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
        try:
            client.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload)
        except ClientError:
            pass  # A right of its own, which Synapse does not need.
    except ClientError as error:
        said = error.response["Error"]
        answer["code"] = said["Code"]
        answer["words"] = said.get("Message", "").partition("\n")[0][:200]
    except BotoCoreError as error:
        answer["silent"] = str(error).partition(' URL: "')[0]
    json.dump(answer, sys.stdout)


main()
