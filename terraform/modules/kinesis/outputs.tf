output "arn" {
  description = "ARN of the stream."
  value       = aws_kinesis_stream.this.arn
}

output "consumer_arns" {
  description = "ARNs of the enhanced fan-out consumers, by name."
  value       = { for name, consumer in aws_kinesis_stream_consumer.this : name => consumer.arn }
}
