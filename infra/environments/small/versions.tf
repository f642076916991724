terraform {
  required_version = ">= 1.11, < 2.0"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 6.0"
    }
    random = {
      source  = "hashicorp/random"
      version = "~> 3.6"
    }
  }

  # Bucket and region come from infra/bootstrap: terraform init -backend-config=bucket=… -backend-config=region=…
  # The lock is an object beside the state; no table is needed.
  backend "s3" {
    key          = "posthaste/small.tfstate"
    encrypt      = true
    use_lockfile = true
  }
}

provider "aws" {
  region = var.region

  default_tags {
    tags = merge(var.tags, {
      Project     = "posthaste"
      Environment = "small"
      ManagedBy   = "terraform"
      Root        = "infra/environments/small"
    })
  }
}
