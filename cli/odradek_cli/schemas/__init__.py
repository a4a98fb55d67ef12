"""Keys and values that were written with a schema registry, as JSON.

registry.py    asks a registry that speaks Confluent's REST interface, and remembers what it says
avro.py        Avro, by fastavro
protobuf.py    Protocol Buffers, by protoc out of grpcio-tools
"""
