// Small files of the registry: written whole, read once. [any]
#ifndef HD_REGISTRY_FILE_H
#define HD_REGISTRY_FILE_H

#include "base/file.h"
#include "registry/source.h"

#endif
