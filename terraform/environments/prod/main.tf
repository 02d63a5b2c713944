module "platform" {
  source = "../../modules/platform"

  environment = "prod"
  account_id  = var.account_id
  region      = var.region
  protect     = true
  tags        = local.tags

  administrator_arns = var.administrator_arns
  raw_reader_arns    = var.raw_reader_arns
  github_repository  = var.github_repository
  alarm_emails       = var.alarm_emails

  vpc_cidr           = "10.20.0.0/16"
  availability_zones = [for zone in ["a", "b", "c"] : "${var.region}${zone}"]
  nat_gateways       = "per_az"

  kubernetes_version  = "1.35"
  public_access_cidrs = var.public_access_cidrs

  node_groups = {
    system = { instance_types = ["m7i.xlarge"], min = 3, max = 6 }
    flink  = { instance_types = ["m7i.2xlarge"], min = 3, max = 9 }
  }

  stream = {
    mode                = "ON_DEMAND"
    retention_hours     = 168
    shard_level_metrics = ["IteratorAgeMilliseconds"]
  }

  keep_days = {
    archive_cold = 30
    archive      = 400
    backlog      = 30
    dead_letters = 30
    savepoints   = 30
    raw          = 7
    access_logs  = 90
    service_logs = 365
  }

  search = {
    data_node_type   = "r7g.large.search"
    data_nodes       = 3
    master_node_type = "m7g.large.search"
    volume_gib       = 500
  }

  monthly_budget_dollars = 4000
}
