# R's side of the peer glmnet (lasso_peers.py): folder, rows, columns, lambda, lower limit of x.
# The folder holds A by columns (starts and indices from 0 as 32-bit integers, values as doubles) and the
# targets. First comes "glmnet VERSION", or nothing where the package is missing. Each line "solve THRESHOLD" is answered by glmnet's passes over the data and the seconds of CPU;
# "write" writes the last x to the folder.
loaded <- suppressPackageStartupMessages(suppressWarnings(require(methods) && require(Matrix) && require(glmnet)))
if (!loaded) quit(status = 1)

words <- commandArgs(trailingOnly = TRUE)
folder <- words[1]
rows <- as.integer(words[2])
columns <- as.integer(words[3])
lambda <- as.numeric(words[4])
lower <- as.numeric(words[5])

stored <- function(name, what, count) readBin(file.path(folder, name), what, count)
starts <- stored("starts", "integer", columns + 1)
entries <- starts[columns + 1]
features <- new("dgCMatrix", p = starts, i = stored("indices", "integer", entries),
                x = stored("values", "double", entries), Dim = c(rows, columns))
targets <- stored("targets", "double", rows)
cat("glmnet", as.character(packageVersion("glmnet")), "\n")
flush(stdout())

cpu <- function() sum(proc.time()[c(1, 2, 4, 5)])

requests <- file("stdin", "r")
fit <- NULL
while (length(line <- readLines(requests, n = 1)) > 0) {
  request <- strsplit(line, " ")[[1]]
  if (request[1] == "solve") {
    before <- cpu()
    fit <- suppressWarnings(glmnet(features, targets, family = "gaussian", lambda = lambda, standardize = FALSE,
                                   intercept = FALSE, lower.limits = lower, thresh = as.numeric(request[2])))
    cat(fit$npasses, cpu() - before, "\n")
  } else {
    writeBin(as.numeric(fit$beta[, 1]), file.path(folder, "x"))
    cat("written\n")
  }
  flush(stdout())
}
