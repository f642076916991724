terraform {
  required_version = ">= 1.11, < 2.0"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 6.0"
    }
  }
}

provider "aws" {
  region = var.region

  default_tags {
    tags = {
      Project     = "posthaste"
      Environment = "shared"
      ManagedBy   = "terraform"
      Root        = "infra/bootstrap"
    }
  }
}
