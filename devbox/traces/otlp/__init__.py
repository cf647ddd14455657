"""OTLP over HTTP: spans of any OpenTelemetry SDK in, ours out (opentelemetry-proto 1.x; the rules of the
exchange: opentelemetry.io/docs/specs/otlp).
"""
