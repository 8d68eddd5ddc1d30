"""Usage as rows of FOCUS 1.2 (FinOps Open Cost and Usage Specification), as CSV.

A bucket of the report is one charge of category Usage, and one of category Adjustment where
usage.adjust has corrected it. So the sums of BilledCost are the report's ``cost_usd``, and those of
ConsumedQuantity its tokens. What FOCUS knows and a tenant's usage does not have is left empty.
"""

import csv
import json
from collections.abc import Iterator
from typing import TextIO

import msgspec

from streams.core.money import format_usd, read_usd
from streams.core.time import format_time, parse_time
from streams.usage.periods import INDEX, periods_at

US = "Agent Streams"
COLUMNS = (
    "BilledCost",
    "BillingAccountId",
    "BillingAccountName",
    "BillingAccountType",
    "BillingCurrency",
    "BillingPeriodEnd",
    "BillingPeriodStart",
    "ChargeCategory",
    "ChargeClass",
    "ChargeDescription",
    "ChargeFrequency",
    "ChargePeriodEnd",
    "ChargePeriodStart",
    "ConsumedQuantity",
    "ConsumedUnit",
    "ContractedCost",
    "ContractedUnitPrice",
    "EffectiveCost",
    "InvoiceId",
    "InvoiceIssuerName",
    "ListCost",
    "ListUnitPrice",
    "PricingCategory",
    "PricingCurrency",
    "PricingQuantity",
    "PricingUnit",
    "ProviderName",
    "PublisherName",
    "RegionId",
    "RegionName",
    "ResourceId",
    "ResourceName",
    "ResourceType",
    "ServiceCategory",
    "ServiceName",
    "ServiceSubcategory",
    "SkuId",
    "SkuMeter",
    "SkuPriceId",
    "SubAccountId",
    "SubAccountName",
    "SubAccountType",
    "Tags",
)


class Bucket(msgspec.Struct, frozen=True):
    """What a charge is made of."""

    start: str
    end: str
    group: dict[str, str] | None
    calls: int
    input_tokens: int
    output_tokens: int
    cost_usd: str
    adjusted_usd: str = "0"


class Report(msgspec.Struct, frozen=True):
    """Body of GET /v1/tenants/{t}/usage, as far as FOCUS has a column for it."""

    tenant: str
    timezone: str
    buckets: list[Bucket]


def write_focus(body: bytes, out: TextIO) -> None:
    """Write the report's charges, with the names of the columns first."""
    writer = csv.DictWriter(out, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(charges(msgspec.json.decode(body, type=Report)))


def charges(report: Report) -> Iterator[dict[str, str]]:
    """Yield the charges of a report: columns that have a value."""
    for bucket in report.buckets:
        adjusted = read_usd(bucket.adjusted_usd)
        used = read_usd(bucket.cost_usd) - adjusted
        if bucket.calls or used:
            tokens = str(bucket.input_tokens + bucket.output_tokens)
            yield _charge(report, bucket, "Usage", used) | {
                "ChargeDescription": f"{bucket.calls} calls of models",
                "ChargeFrequency": "Usage-Based",
                "ConsumedQuantity": tokens,
                "ConsumedUnit": "Tokens",
                "PricingCategory": "Standard",
                "PricingQuantity": tokens,
                "PricingUnit": "Tokens",
            }
        if adjusted:
            yield _charge(report, bucket, "Adjustment", adjusted) | {
                "ChargeClass": "Correction",
                "ChargeDescription": "usage.adjust",
                "ChargeFrequency": "One-Time",
            }


def _charge(report: Report, bucket: Bucket, category: str, nano: int) -> dict[str, str]:
    cost, group = format_usd(nano), bucket.group or {}
    month = periods_at(report.timezone, parse_time(bucket.start))[INDEX["month"]]
    return {
        "BilledCost": cost,
        "BillingAccountId": report.tenant,
        "BillingAccountName": report.tenant,
        "BillingAccountType": "Tenant",
        "BillingCurrency": "USD",
        "BillingPeriodEnd": _moment(format_time(month.end)),
        "BillingPeriodStart": _moment(format_time(month.start)),
        "ChargeCategory": category,
        "ChargePeriodEnd": _moment(bucket.end),
        "ChargePeriodStart": _moment(bucket.start),
        "ContractedCost": cost,
        "EffectiveCost": cost,
        "InvoiceIssuerName": US,
        "ListCost": cost,
        "PricingCurrency": "USD",
        "ProviderName": US,
        "PublisherName": group.get("provider") or US,
        "RegionId": group.get("cluster", ""),
        "RegionName": group.get("cluster", ""),
        "ResourceId": group.get("agent") or group.get("job", ""),
        "ResourceType": "Agent" if group.get("agent") else "Job" if group.get("job") else "",
        "ServiceCategory": "AI and Machine Learning",
        "ServiceName": "Model calls",
        "ServiceSubcategory": "Generative AI",
        "SkuId": group.get("model", ""),
        "SubAccountId": group.get("cost_attribution", ""),
        "SubAccountName": group.get("cost_attribution", ""),
        "SubAccountType": "Project" if group.get("cost_attribution") else "",
        "Tags": json.dumps(group, ensure_ascii=False),
    }


def _moment(time: str) -> str:
    """FOCUS has times to the second, UTC."""
    return f"{time[:19]}Z"
