module "platform" {
  source = "../../modules/platform"

  environment = "dev"
  account_id  = var.account_id
  region      = var.region
  protect     = false
  tags        = local.tags

  administrator_arns = var.administrator_arns
  raw_reader_arns    = var.raw_reader_arns
  github_repository  = var.github_repository
  alarm_emails       = var.alarm_emails

  vpc_cidr           = "10.21.0.0/16"
  availability_zones = [for zone in ["a", "b", "c"] : "${var.region}${zone}"]
  nat_gateways       = "single"

  kubernetes_version  = "1.35"
  public_access_cidrs = var.public_access_cidrs

  node_groups = {
    system = { instance_types = ["m7i.large"], min = 2, max = 4 }
    flink  = { instance_types = ["m7i.xlarge"], min = 1, max = 3, spot = true }
  }

  stream = {
    mode            = "PROVISIONED"
    shards          = 2
    retention_hours = 24
  }

  keep_days = {
    archive_cold = 30
    archive      = 60
    backlog      = 7
    dead_letters = 14
    savepoints   = 14
    raw          = 2
    access_logs  = 30
    service_logs = 365
  }

  search = {
    data_node_type = "t3.medium.search"
    data_nodes     = 2
    volume_gib     = 100
  }

  monthly_budget_dollars = 1000
}
